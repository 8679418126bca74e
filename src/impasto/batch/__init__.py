"""Batches of pictures: names -> jobs -> results, one after the other; and figures of several."""
