"""The application: play, watch, record and list, from the command line."""
