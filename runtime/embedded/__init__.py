"""Apache Kafka and PostgreSQL as child processes: real servers that pip alone brings.

`services.services` is the way in. The rest, from the outside in:

kafka, postgres   one class per server: `start`, `stop`, `kill`, `restart`, on data that survives
server            what both share: the directory, its lock, the wait for the first answer
process, guard    a child that cannot outlive us, whichever way we end
jars, kafka_jars.txt   Kafka's libraries, pinned by hash, and their cache
privileges        PostgreSQL refuses to be root; how it runs when we are
lock, ports, errors   one user per directory, remembered ports, the sentences that a person reads

Nothing here reads the environment: the composition root passes every setting.
"""
