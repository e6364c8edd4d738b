-- Room for what folding writes again and again: a new version of a row stands on the page of the old one,
-- and no index hears of it. Pages that are full already get it as they are written anew.

ALTER TABLE activity SET (fillfactor = 50);
ALTER TABLE usage_labels SET (fillfactor = 50);
ALTER TABLE key_use SET (fillfactor = 50);
