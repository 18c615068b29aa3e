//! What cert-manager does with the chart's Certificates: a Secret for each, of one authority.

use crate::fail::Outcome;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// Issues every Certificate among `objects`; a Secret is a folder of that name in `folder`, with the files that a pod would have.
pub(super) fn issue(objects: &[Value], folder: &Path) -> Outcome {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let authority = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    for object in objects
        .iter()
        .filter(|object| object["kind"] == "Certificate")
    {
        let spec = &object["spec"];
        let mut params = CertificateParams::new(texts(&spec["dnsNames"]))?;
        params.use_authority_key_identifier_extension = true;
        for usage in texts(&spec["usages"]) {
            match usage.as_str() {
                "digital signature" => params.key_usages.push(KeyUsagePurpose::DigitalSignature),
                "server auth" => params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ServerAuth),
                "client auth" => params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ClientAuth),
                other => return Err(format!("nobody here issues certificates for {other}").into()),
            }
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let secret = folder.join(spec["secretName"].as_str().unwrap_or_default());
        fs::create_dir_all(&secret)?;
        fs::write(secret.join("ca.crt"), &authority)?;
        fs::write(secret.join("tls.crt"), certificate.pem())?;
        fs::write(secret.join("tls.key"), key.serialize_pem())?;
    }
    Ok(())
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}
