# SPDX-License-Identifier: Apache-2.0
"""Certificates for one test session, made with the openssl command.

Everything hangs under one P-256 root; each kind of leaf is made when it is first
asked for. A leaf is a `Cert`: paths of the chain (leaf first), the key and the leaf alone.
"""
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAME = "server.ennead.test"
PUBLIC_NAME = "public.ennead.test"
KEYS = {
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "ed25519": ["-algorithm", "ED25519"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "rsa-pss": ["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
}


@dataclass(frozen=True)
class Cert:
    chain: str
    key: str
    leaf: str


class Pki:
    def __init__(self, folder: Path):
        self.dir = folder
        self.made = {}
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=%s/index.txt\nserial=%s/serial\nnew_certs_dir=%s\n"
            "crlnumber=%s/crlnumber\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
            "email_in_dn=no\ncopy_extensions=none\ndefault_crl_days=30\n[p]\ncommonName=supplied\n"
            % ((folder,) * 4)
        )
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "crlnumber").write_text("01\n")
        self.ca, self.ca_key = self._root("ca", "Ennead interop root")
        self.other_ca, self.other_ca_key = self._root("other-ca", "Another root")

    def _run(self, *args):
        done = subprocess.run(["openssl", *args], cwd=self.dir, capture_output=True, text=True,
                              timeout=30)
        if done.returncode != 0:
            raise RuntimeError("openssl %s: %s" % (" ".join(args), done.stderr))

    def _path(self, name):
        return str(self.dir / name)

    def _root(self, name, subject):
        cert, key = self._path(name + ".pem"), self._path(name + ".key")
        self._run("genpkey", *KEYS["p256"], "-out", key)
        self._run("req", "-x509", "-new", "-key", key, "-sha256", "-days", "30", "-subj",
                  "/CN=" + subject, "-out", cert, "-addext",
                  "keyUsage=critical,keyCertSign,cRLSign")
        return cert, key

    def _issue(self, name, key_kind="p256", cn=NAME, eku="serverAuth", dates=None, ca=None,
               san="DNS:" + NAME, extensions=None):
        """One certificate through `openssl ca`, which can set both dates and revoke."""
        ca_cert, ca_key = ca or (self.ca, self.ca_key)
        cert, key, csr = (self._path(name + e) for e in (".pem", ".key", ".csr"))
        self._run("genpkey", *KEYS[key_kind], "-out", key)
        self._run("req", "-new", "-key", key, "-subj", "/CN=" + cn, "-out", csr)
        lines = extensions or ["basicConstraints=critical,CA:false", "extendedKeyUsage=" + eku,
                               "keyUsage=critical,digitalSignature" +
                               # NSS wants it of an RSA server, as TLS 1.2 did.
                               (",keyEncipherment" if key_kind == "rsa" else "")]
        lines = ["[v3]", "subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"] + lines
        if san:
            lines.append("subjectAltName=" + san)
        (self.dir / (name + ".ext")).write_text("\n".join(lines) + "\n")
        start, end = dates or ("", "")
        when = ["-startdate", start, "-enddate", end] if dates else ["-days", "20"]
        # EdDSA needs no digest, but the roots are ECDSA, so sha256 always fits.
        self._run("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", ca_cert, "-keyfile",
                  ca_key, "-in", csr, "-out", cert, "-extfile", name + ".ext", "-extensions", "v3",
                  *when)
        return Cert(cert, key, cert)

    def __call__(self, name) -> Cert:
        if name not in self.made:
            self.made[name] = getattr(self, "_make_" + name.replace("-", "_"))()
        return self.made[name]

    # ---- servers ------------------------------------------------------------

    def _make_p256(self):
        return self._issue("p256")

    def _make_p384(self):
        return self._issue("p384", "p384")

    def _make_ed25519(self):
        return self._issue("ed25519", "ed25519")

    def _make_rsa(self):
        # NSS names certificates by their subject, and has P-256 and RSA side by side in a test.
        return self._issue("rsa", "rsa", cn="RSA")

    def _make_rsa_pss(self):
        return self._issue("rsa-pss", "rsa-pss", cn="RSA-PSS")

    def _make_ech(self):
        """For the name that is hidden and the public one before it (RFC 9849 §6.1.6)."""
        return self._issue("ech", san="DNS:%s,DNS:%s" % (NAME, PUBLIC_NAME))

    def _make_chain(self):
        """A leaf below an intermediate."""
        sub = self._issue("sub", cn="Ennead interop intermediate", san=None,
                          extensions=["basicConstraints=critical,CA:true,pathlen:0",
                                      "keyUsage=critical,keyCertSign,cRLSign"])
        leaf = self._issue("chained", ca=(sub.leaf, sub.key))
        chain = self._path("chained-chain.pem")
        Path(chain).write_text(Path(leaf.leaf).read_text() + Path(sub.leaf).read_text())
        return Cert(chain, leaf.key, leaf.leaf)

    def _make_huge(self):
        """Some 40 KiB: the Certificate message spans several records."""
        name = "DNS:host-%04d.a-long-enough-subdomain.ennead.test"
        names = ",".join(name % i for i in range(700))
        return self._issue("huge", san="DNS:" + NAME + "," + names)

    def _make_wrong_ca(self):
        return self._issue("wrong-ca", ca=(self.other_ca, self.other_ca_key))

    def _make_self_signed(self):
        cert, key = self._path("self.pem"), self._path("self.key")
        self._run("genpkey", *KEYS["p256"], "-out", key)
        self._run("req", "-x509", "-new", "-key", key, "-sha256", "-days", "30", "-subj",
                  "/CN=" + NAME, "-out", cert, "-addext", "subjectAltName=DNS:" + NAME)
        return Cert(cert, key, cert)

    def _make_expired(self):
        return self._issue("expired", dates=("20200101000000Z", "20210101000000Z"))

    def _make_future(self):
        return self._issue("future", dates=("20400101000000Z", "20410101000000Z"))

    def _make_wrong_name(self):
        return self._issue("wrong-name", cn="elsewhere.test", san="DNS:elsewhere.test")

    def _make_wrong_eku(self):
        return self._issue("wrong-eku", eku="clientAuth")

    def _make_revoked(self):
        cert = self._issue("revoked")
        self._run("ca", "-config", "ca.cnf", "-cert", self.ca, "-keyfile", self.ca_key, "-revoke",
                  cert.leaf)
        return cert

    # ---- clients ------------------------------------------------------------

    def _client(self, name, key_kind="p256", **more):
        return self._issue(name, key_kind, cn="client", eku="clientAuth", san=None, **more)

    def _make_client_p256(self):
        return self._client("client-p256")

    def _make_client_p384(self):
        return self._client("client-p384", "p384")

    def _make_client_ed25519(self):
        return self._client("client-ed25519", "ed25519")

    def _make_client_rsa(self):
        return self._client("client-rsa", "rsa")

    def _make_client_rsa_pss(self):
        return self._client("client-rsa-pss", "rsa-pss")

    def _make_client_wrong_ca(self):
        return self._client("client-wrong-ca", ca=(self.other_ca, self.other_ca_key))

    def _make_client_expired(self):
        return self._client("client-expired", dates=("20200101000000Z", "20210101000000Z"))

    def _make_client_wrong_eku(self):
        return self._issue("client-wrong-eku", cn="client", eku="serverAuth", san=None)

    def _make_client_revoked(self):
        cert = self._client("client-revoked")
        self._run("ca", "-config", "ca.cnf", "-cert", self.ca, "-keyfile", self.ca_key, "-revoke",
                  cert.leaf)
        return cert

    def raw_key(self, name):
        """A key pair without a certificate: the private key, the public one in PEM and in DER."""
        if "raw-" + name not in self.made:
            key, pem, der = (self._path("raw-" + name + e) for e in (".key", ".pub", ".der"))
            self._run("genpkey", *KEYS["p256"], "-out", key)
            self._run("pkey", "-in", key, "-pubout", "-out", pem)
            self._run("pkey", "-in", key, "-pubout", "-outform", "DER", "-out", der)
            self.made["raw-" + name] = (key, pem, der)
        return self.made["raw-" + name]

    def ocsp(self, name):
        """The root's answer about a certificate, in DER."""
        cert, path = self(name), self._path(name + ".ocsp")
        self._run("ocsp", "-index", "index.txt", "-CA", self.ca, "-rsigner", self.ca, "-rkey",
                  self.ca_key, "-issuer", self.ca, "-cert", cert.leaf, "-respout", path, "-ndays",
                  "5", "-no_nonce")
        return path

    def crl(self):
        """The root's list; both revoked certificates are on it."""
        if "crl" not in self.made:
            self("revoked")
            self("client-revoked")
            path = self._path("crl.pem")
            self._run("ca", "-config", "ca.cnf", "-cert", self.ca, "-keyfile", self.ca_key,
                      "-gencrl", "-out", path)
            self.made["crl"] = path
        return self.made["crl"]
