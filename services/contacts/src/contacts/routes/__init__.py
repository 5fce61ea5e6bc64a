"""The HTTP interface of contacts: one file per resource."""
