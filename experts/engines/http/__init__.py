"""The HTTP/1.1 client of the ``openai`` engine: one origin, a pool of kept-alive connections.

``client.py`` is the adapter that engines use (``HttpClient.post``), ``connection.py`` one
connection, ``response.py`` one response, ``proxies.py`` which proxy and how a tunnel is opened,
``sse.py`` server-sent events. Why our own: ``docs/http-client.md``.
"""
