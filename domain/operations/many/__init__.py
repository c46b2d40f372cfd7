"""Operations over many records: cut into chunks, read in parallel, put together as a tree."""
