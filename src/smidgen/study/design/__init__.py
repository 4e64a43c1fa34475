"""From images and a budget to a trained net."""
