"""What follows from a spec alone: shapes, costs, receptive fields, formulas, tables, differences, drawings."""
