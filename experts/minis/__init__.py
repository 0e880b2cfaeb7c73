"""The minis: small experts trained from scratch by this project, the embedded default."""
