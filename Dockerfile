# NokChart's image: the collector, the nightly job and every `nokchart` command. Nothing in it is of one processor only.
#
# BASE: any Debian with Python 3.11 or newer as python3, with venv. Plain Dockerfile: needs no BuildKit.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
# Optional parts, with spaces between: notify (messages to people), parquet (90 MB more).
ARG EXTRAS=notify
WORKDIR /src
# What we depend on changes rarely: a layer of its own, so that an upgrade on a small machine takes seconds.
COPY pyproject.toml constraints.txt ./
RUN python3 -c 'import sys, tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; extras = sys.argv[1:]; \
        print(*p["dependencies"], *(one for e in extras for one in p["optional-dependencies"][e]), sep="\n")' \
        ${EXTRAS} > requirements.txt \
    && python3 -m venv /opt/nokchart \
    && /opt/nokchart/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check \
        --constraint constraints.txt --requirement requirements.txt
COPY . .
# Then out goes what no container runs: the embedded server, the libraries' own tests, and pip. What is left is compiled
# here, once, because nobody may write there later.
RUN /opt/nokchart/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check --no-deps . \
    && sh deploy/trim-image.sh /opt/nokchart \
    && /opt/nokchart/bin/python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/nokchart/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="NokChart" \
      org.opencontainers.image.description="Keeps every chat of Chzzk broadcasts and finds the moments when the chat erupts" \
      org.opencontainers.image.licenses="MIT"
# The number is fixed, so that volumes and ./output belong to the same user in every version.
RUN groupadd --gid 10001 nokchart \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/nokchart --shell /usr/sbin/nologin nokchart \
    && mkdir -p /etc/nokchart /var/lib/nokchart /output \
    && chown nokchart:nokchart /var/lib/nokchart /output
COPY --from=build /opt/nokchart /opt/nokchart
# Nothing outside /var/lib/nokchart, /output and /tmp is ever written, so the root file system may be read-only.
ENV PATH=/opt/nokchart/bin:$PATH \
    TZ=Asia/Seoul \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/nokchart \
    NOKCHART_HOME=/var/lib/nokchart \
    NOKCHART_OUTDIR=/output \
    MPLCONFIGDIR=/tmp/matplotlib
USER 10001:10001
# config.yaml and channels.yaml are mounted here, and found because it is the current folder.
WORKDIR /etc/nokchart
VOLUME ["/var/lib/nokchart", "/output"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 CMD ["nokchart", "health"]
STOPSIGNAL SIGTERM
# No shell in between: the signal reaches the process, which needs at most ten seconds to end well.
ENTRYPOINT ["nokchart"]
CMD ["watch"]
