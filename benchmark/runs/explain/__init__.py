"""Where the kept model of a run looks: maps, their drift between models, and checks of the maps themselves."""
