"""How docs/ becomes a site: what is generated at build time, and the order of its pages."""
