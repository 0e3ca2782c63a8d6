"""Wording: the language of a picture's words, and the labels that its author gives to names."""
