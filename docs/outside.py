"""A preprocessor of mdBook: links that lead out of docs/, to other files of the repository, become links to them at the
forge. In the repository they stay relative, so that they work in a checkout and there."""

import json
import re
import sys

FORGE = 'https://github.com/sidehook/sidehook/blob/main/'
LINK = re.compile(r'\]\(\.\./([^)\s]+)\)')


def lead_out(sections):
    for section in sections:
        chapter = section.get('Chapter') if isinstance(section, dict) else None
        if chapter:
            chapter['content'] = LINK.sub(lambda match: f']({FORGE}{match[1]})', chapter['content'])
            lead_out(chapter['sub_items'])


if sys.argv[1:2] == ['supports']:
    sys.exit(0)
_, book = json.load(sys.stdin)
# Called `sections` before mdBook 0.5.
lead_out(book.get('items', book.get('sections')))
json.dump(book, sys.stdout)
