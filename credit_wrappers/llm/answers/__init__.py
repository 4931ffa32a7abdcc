"""What a model must answer, and which texts are accepted as an answer."""
