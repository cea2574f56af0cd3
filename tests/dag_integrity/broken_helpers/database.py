"""Connects when it is called."""


def connect():
    from psycopg2 import connect

    return connect("host=127.0.0.1 port=9")
