"""How dense is a tilted flow where the data are, beside the flow alone and trained by likelihood?"""
