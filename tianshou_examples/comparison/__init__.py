"""What `study.py` is made of: studies of methods, tasks and seeds, run cell by cell and compared with intervals."""
