"""What must outlive the process: the decision log and the keys. `log` holds the Protocols, `sqlite` the store on one file."""
