"""What a trained model is given to others with: a card, and a place on the hub."""
