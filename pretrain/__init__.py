"""The compact pretrained model: synthetic series, network, training, export. Torch lives here only."""
