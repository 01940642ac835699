"""The configuration: INI files read into frozen dataclasses, with every problem of every file told at once."""
