"""The two players: generator and discriminator, and the blocks they share."""
