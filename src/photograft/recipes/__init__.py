"""Settings files that reproduce the models of five source systems; `photograft.config.recipe` reads them."""
