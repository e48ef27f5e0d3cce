"""The studio: a page in which a person in a photo follows a dragged skeleton."""
