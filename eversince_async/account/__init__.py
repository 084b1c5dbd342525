"""Knowledge of the account: its journals, its render qualities, its costs."""
