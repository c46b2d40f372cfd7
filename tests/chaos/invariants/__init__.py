"""What must hold of every case, whatever was broken in it: a function for each rule, yielding a sentence per breach.

Sentences name ids and places; never a payload, a prompt or a secret.
"""
