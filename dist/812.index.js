const id=812,ids=[812],modules={8050:(module=>{module.exports=eval("require")("kerberos")})};export{id,ids,modules};
