"""The first files of a project: from an example, from a Cursus graph, from scripts."""
