"""What must hold, boundary by boundary from the raw listens to the lists: one readable definition for each.

A suite is data: the rows that are judged, and what is expected of them by Great Expectations' own names.
`quality.validate` runs it. What is a key, a null or a range of one column of a dbt model is tested by dbt, not here.
"""
