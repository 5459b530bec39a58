"""Networks, training, attacks and statistics that experiments are made of."""
