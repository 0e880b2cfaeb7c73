"""The faces of Coterie: the HTTP endpoint and the command line."""
