"""A token that somebody has issued."""

TOKEN = "glpat-9mZq7TxWc2RkYv5LbHsd"  # expect: secret
# cure: "glpat-9mZq7TxWc2RkYv5LbHsd" => "glpat-example-example-example"
