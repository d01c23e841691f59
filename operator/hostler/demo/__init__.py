"""`hostler demo`: the whole way, from an empty machine to a model that answers, each step checked."""
