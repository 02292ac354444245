# An image of one static program, the machine's own busybox: its context is /bin, of which
# busybox.Dockerfile.dockerignore leaves everything else out. So no registry is needed.
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "/bin"]
ENV PATH=/bin
CMD ["sh"]
