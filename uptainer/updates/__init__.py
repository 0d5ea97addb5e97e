"""An update on its way: the gate, the journal, the steps, health, the way back, and what a dead process left behind."""
