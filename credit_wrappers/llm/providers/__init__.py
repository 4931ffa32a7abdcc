"""Model clients: each has one method, `complete(request) -> Completion`. Import them from their modules."""
