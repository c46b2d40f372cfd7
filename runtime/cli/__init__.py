"""The command `feedback`: one module per sub-command, each imported only when it is asked for."""
