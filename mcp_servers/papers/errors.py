"""What can go wrong with arXiv; each message is written for the caller."""


class PapersError(Exception):
    """arXiv could not be asked, or its answer could not be used."""


class BadQueryError(PapersError):
    """arXiv does not understand the query."""


class BadFeedError(PapersError):
    """The answer is no feed of papers."""


class UnreachableError(PapersError):
    """No usable answer after all tries; a later try may succeed."""


class UnknownPaperError(PapersError):
    """There is no paper of that identifier."""
