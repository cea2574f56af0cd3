"""What tests make up is no secret."""

URL = "postgresql://etl:hunter2@localhost/etl"
KEY = "AKIAIOSFODNN7EXAMPLE"


def test_login():
    assert {"user": "etl", "password": "hunter2hunter2"}
