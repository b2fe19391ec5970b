"""Floor 8: joins the rooms' sections into one typed tree, composed by Hydra."""
