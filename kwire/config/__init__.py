"""Every option declared once, and the values in force for a broker, a topic and a group."""
