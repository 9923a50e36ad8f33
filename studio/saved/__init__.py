"""The ways in to what people keep of lists (studio.tables): pages and API operations, behind the roles of each list."""
