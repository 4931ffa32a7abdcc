"""What `train.py` and `evaluate.py` are made of."""
