"""Programs that use an SDK as anyone would; nothing in them knows of a proxy."""
