"""Six services; they meet in `libs.contracts` and on the bus, nowhere else."""
