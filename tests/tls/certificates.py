"""Certificates for tests, made with the openssl program."""

import os
import subprocess

KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
CA_CONFIG = """[ca]
default_ca = default
[default]
database = {base}.index
new_certs_dir = {folder}
serial = {base}.serial
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
"""


def openssl(*arguments):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(arguments)}: {done.stderr}")


class Certificate:
    """PEM files of one certificate and its key."""

    def __init__(self, folder, name):
        self.base = os.path.join(folder, name)
        self.name = name
        self.certificate, self.key = self.base + ".pem", self.base + ".key"

    def tls(self, ca=None, partner=None, partner_name=None):
        """The failover[].tls of a server that shows this certificate."""
        made = {"certificate": self.certificate, "key": self.key}
        if ca:
            made["ca"] = ca.certificate
        if partner:
            made["partner_certificate"] = partner.certificate
        if partner_name:
            made["partner_name"] = partner_name
        return made

    def replace(self, other):
        """The files become those of another certificate, each in one step."""
        for mine, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            with open(theirs, "rb") as file:
                data = file.read()
            with open(mine + ".new", "wb") as file:
                file.write(data)
            os.rename(mine + ".new", mine)


def self_signed(folder, name):
    """Also the certificate of an authority."""
    made = Certificate(folder, name)
    openssl("req", "-x509", *KEY, "-keyout", made.key, "-out", made.certificate, "-days", "30",
            "-subj", f"/CN={name}")
    return made


class Authority(Certificate):
    def __init__(self, folder, name):
        super().__init__(folder, name)
        self.folder = folder
        self_signed(folder, name)
        with open(self.base + ".index", "w", encoding="ascii"):
            pass
        with open(self.base + ".serial", "w", encoding="ascii") as file:
            file.write("1000\n")
        with open(self.base + ".conf", "w", encoding="ascii") as file:
            file.write(CA_CONFIG.format(base=self.base, folder=folder))

    def sign(self, name, san, start=None, end=None):
        """A certificate with a Subject Alternative Name such as "IP:2001:db8::1"; start and end are times
        such as "20200101000000Z"."""
        made = Certificate(self.folder, name)
        with open(made.base + ".ext", "w", encoding="ascii") as file:
            file.write(f"subjectAltName={san}\n")
        openssl("req", "-new", *KEY, "-keyout", made.key, "-out", made.base + ".csr", "-subj", f"/CN={name}")
        openssl("ca", "-batch", "-notext", "-config", self.base + ".conf", "-cert", self.certificate,
                "-keyfile", self.key, "-in", made.base + ".csr", "-out", made.certificate, "-extfile",
                made.base + ".ext", *(["-startdate", start] if start else []),
                *(["-enddate", end] if end else ["-days", "30"]))
        return made
