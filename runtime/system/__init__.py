"""The whole system on one machine: servers, topics, schema, and one supervised process per part."""
