"""The live side: watches channels, and turns what Chzzk sends into rows."""
