"""The command line: parsing, help and printing live here and nowhere else. Help never imports torch."""
